// No browser: each result is five steps with the words of a turn, one in 37 fails, as in benchmarks/page.py.
module.exports = { testDir: ".", workers: 2, fullyParallel: false, reporter: [["html", { outputFolder: "report", open: "never" }]], forbidOnly: true };
