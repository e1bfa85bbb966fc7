"""How the page of an agent's mutants looks: one style sheet, light and dark."""

STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#1b1f24, #e6e8eb); --soft: light-dark(#57606a, #9aa4af);
  --ground: light-dark(#fff, #14171a); --line: light-dark(#d8dee4, #343b42); --box: light-dark(#f6f8fa, #1d2125);
  --bad: light-dark(#b3261e, #ff8a80); --warn: light-dark(#8a5a00, #e0b050); --good: light-dark(#1a7f37, #5fd07f);
  --out: light-dark(#ffebe9, #3d1f1e); --in: light-dark(#e6f6ea, #16331f); --mark-out: light-dark(#ffc9c4, #7a2f2b);
  --mark-in: light-dark(#b4e8c2, #24663a); }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); margin: 0 auto; max-width: 70rem;
  padding: 1.5rem 1.2rem 4rem; }
h1 { font-size: .95rem; font-weight: 500; color: var(--soft); margin: 0; overflow-wrap: anywhere; }
p { margin: .3rem 0; } .soft { color: var(--soft); } ul { margin: .4rem 0; padding-left: 1.2rem; } li { margin: .25rem 0; }
code, pre { font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
.score { font-size: 1.5rem; font-weight: 600; margin: .2rem 0 .6rem; } .score span { font-size: .95rem; font-weight: 400; }
svg { display: block; width: 100%; height: .6rem; border-radius: .3rem; background: var(--line); }
.s-noticed { fill: var(--good); } .s-survived { fill: var(--bad); } .s-untouched { fill: var(--warn); }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; padding: 0; margin: .6rem 0; }
.legend strong { font-variant-numeric: tabular-nums; } .legend i { display: inline-block; width: .7rem; height: .7rem;
  border-radius: .15rem; margin-right: .4rem; background: var(--line); }
i.noticed { background: var(--good); } i.survived { background: var(--bad); } i.untouched { background: var(--warn); }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; margin: 1.4rem 0 1rem; border-bottom: 1px solid var(--line); }
.pick { position: absolute; opacity: 0; }
nav label { padding: .4rem .1rem; cursor: pointer; color: var(--soft); border-bottom: 2px solid transparent;
  margin-bottom: -1px; }
nav label[for=all] { margin-left: auto; } nav label[for=all]::before { content: "☐ "; }
#all:checked ~ nav label[for=all]::before { content: "☑ "; }
#mutants:checked ~ nav label[for=mutants], #scripts:checked ~ nav label[for=scripts] { color: var(--ink); font-weight: 600;
  border-bottom-color: currentColor; }
#mutants:focus-visible ~ nav label[for=mutants], #scripts:focus-visible ~ nav label[for=scripts],
#all:focus-visible ~ nav label[for=all] { outline: 2px solid; outline-offset: 2px; }
section { display: none; } #mutants:checked ~ .mutants, #scripts:checked ~ .scripts { display: block; }
#all:not(:checked) ~ section .fine { display: none; }
.part { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; content-visibility: auto;
  contain-intrinsic-size: auto 3rem; }
.part > summary { display: flex; flex-wrap: wrap; gap: .1rem .8rem; align-items: baseline; padding: .55rem .9rem; }
.part[open] > summary { border-bottom: 1px solid var(--line); }
.part > summary::before { content: "▸"; color: var(--soft); width: .7rem; } .part[open] > summary::before { content: "▾"; }
summary { cursor: pointer; } .part > summary::-webkit-details-marker { display: none; }
.name { font-weight: 600; overflow-wrap: anywhere; } .counts { margin-left: auto; white-space: nowrap; }
.survived-word { color: var(--bad); } .untouched-word { color: var(--warn); } .noticed-word { color: var(--good); }
article { padding: .7rem .9rem .8rem; overflow-wrap: anywhere; } article + article { border-top: 1px solid var(--line); }
h3 { font-size: 1rem; font-weight: 600; margin: 0; } h3 span { font-weight: 400; font-size: .85rem; margin-left: .5rem; }
pre { background: var(--box); border-radius: .3rem; padding: .5rem .7rem; margin: .4rem 0; white-space: pre-wrap; }
.diff { padding: 0; overflow: hidden; } del, ins { display: block; padding: .1rem .7rem; text-decoration: none; }
del { background: var(--out); } ins { background: var(--in); } mark { color: inherit; }
del mark { background: var(--mark-out); }
ins mark { background: var(--mark-in); }
.at { color: var(--soft); display: inline-block; min-width: 2.6rem; }
.scripts article { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; }
.scripts svg { max-width: 24rem; height: .4rem; margin: .4rem 0; } .scripts .name { font-size: 1rem; }
.small { font-size: .85rem; }
@media (max-width: 40rem) { .score span { display: block; }
  .counts { margin-left: 1.5rem; white-space: normal; } nav label[for=all] { margin-left: 0; } }
"""
