const { test, expect } = require("@playwright/test");

const CASES = Number(process.env.CASES || 10000);
const TURNS = Number(process.env.TURNS || 5);
const ITEMS = ["mug", "lamp", "kettle", "jacket", "keyboard", "toaster", "blanket", "headset"];

for (let number = 0; number < CASES; number += 1) {
  const item = ITEMS[number % ITEMS.length];
  test(`the ${item} of order A-${1000 + number} is looked after`, async () => {
    for (let turn = 0; turn < TURNS; turn += 1) {
      await test.step(`user: My ${item} arrived broken, order A-${1000 + number}.`, async () => {
        const answer = `I am sorry that your ${item} arrived broken. I have found order A-${1000 + number} and can offer a refund or a replacement.`;
        test.info().annotations.push({ type: "agent", description: answer });
        expect(answer).toContain(item);
      });
    }
  });
}
