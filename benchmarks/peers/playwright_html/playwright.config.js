// No browser: each result is five steps with the words of a turn. All pass: a failure starts a worker anew, which takes an hour here.
module.exports = { testDir: ".", workers: 2, fullyParallel: false, reporter: [["html", { outputFolder: "report", open: "never" }]], forbidOnly: true };
