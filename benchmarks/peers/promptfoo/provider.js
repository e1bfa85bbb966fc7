// A promptfoo provider: one test is one conversation, its messages are replayed here in order.
const { reply } = require('./engine.js');

module.exports = class {
  id() {
    return 'bicycle-hire-desk';
  }

  async callApi(prompt, context) {
    return { output: JSON.parse(prompt).map((message) => reply(context.vars.session, message)) };
  }
};
