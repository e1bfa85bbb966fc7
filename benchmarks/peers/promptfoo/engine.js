// The desk of ../../engine.py in JavaScript.
const LINES = [
  [(bike) => `Good morning! Bicycle ${bike} is hired in your name until Sunday.`, 'greet-rider', 'find_hire'],
  [(bike) => `I am sorry. A mechanic will look at the light of ${bike} today.`, 'report-fault', 'book_mechanic'],
  [(bike) => `Yes: the hire of ${bike} now ends on Tuesday evening.`, 'extend-hire', 'move_return'],
  [(bike) => `Two further days for ${bike} cost 18.00, less 5.00 for the broken light.`, 'quote-price', 'price_days'],
  [(bike) => `With pleasure. Enjoy the ride on ${bike}!`, 'say-goodbye', 'close_request'],
];
const turns = new Map();

exports.reply = (session, message) => {
  const turn = turns.get(session) ?? 0;
  turns.set(session, turn + 1);
  const [answer, rule, tool] = LINES[turn % LINES.length];
  const at = message.indexOf('BK-');
  return { response: answer(message.slice(at, at + 9)), rules: [rule], tools: [tool] };
};
