// What was said beside what the engine stores of it, as the check `records` pairs them: by the turns' ids, else by the words.

const SPOKEN = ["user", "assistant"];

function bare(text) {
  return (text || "").split(/\s+/).filter(Boolean).join(" ");
}

function saidIn(turns) {
  const out = [];
  for (const turn of turns) {
    if (!turn.reply) continue;
    if (turn.user !== null && turn.user !== undefined) out.push({ turn: turn.i, role: "user", text: turn.user, id: turn.reply.turn_id });
    if (turn.reply.response !== undefined) out.push({ turn: turn.i, role: "assistant", text: turn.reply.response, id: turn.reply.turn_id });
  }
  return out;
}

// Rows in the order of the conversation: {said, kept}; `said` is null for a stored message without a counterpart, `kept` may be empty.
function pairedRows(turns, messages) {
  const said = saidIn(turns);
  const kept = messages.map((message, place) => ({ message, place })).filter((one) => SPOKEN.includes(one.message.role));
  const byId = kept.length && said.length && [...said.map((one) => one.id), ...kept.map((one) => one.message.turn_id)].every(Boolean);
  const groups = byId ? groupsById(said, kept) : groupsByText(said, kept);
  const used = new Set(groups.flat());
  const rows = said.map((one, place) => ({ said: one, kept: groups[place] }));
  for (const one of kept) {
    if (used.has(one) || (one.message.role === "user" && !bare(one.message.text))) continue;
    const behind = rows.findLastIndex((row) => row.kept.length && row.kept[row.kept.length - 1].place < one.place);
    rows.splice(behind + 1, 0, { said: null, kept: [one] });
  }
  return rows;
}

function textOf(group) {
  return bare(group.map((one) => one.message.text || "").join(" "));
}

function groupsById(said, kept) {
  return said.map((one) => wholeOrParts(one, kept.filter((other) => other.message.turn_id === one.id && other.message.role === one.role)));
}

function wholeOrParts(one, group) {
  if (group.length < 2 || (one.role === "assistant" && textOf(group) === bare(one.text))) return group;
  const whole = group.find((other) => bare(other.message.text) === bare(one.text));
  return whole ? [whole] : one.role === "user" ? [group[0]] : group;
}

function groupsByText(said, kept) {
  const stored = [];
  for (const one of kept) {
    const last = stored[stored.length - 1];
    if (last && one.message.role === "assistant" && last[0].message.role === "assistant") last.push(one);
    else stored.push([one]);
  }
  const words = [said.map((one) => `${one.role} ${bare(one.text)}`), stored.map((group) => `${group[0].message.role} ${textOf(group)}`)];
  const out = said.map(() => []);
  const anchors = common(...words);
  const free = new Set(stored);
  for (const [here, there] of anchors) {
    out[here] = stored[there];
    free.delete(stored[there]);
  }
  said.forEach((one, place) => { // the very words in another place
    const moved = out[place].length ? null : [...free].find((group) => words[0][place] === `${group[0].message.role} ${textOf(group)}`);
    if (moved) { out[place] = moved; free.delete(moved); }
  });
  said.forEach((one, place) => { // between two that agree: the next of that side
    if (out[place].length) return;
    const before = [...anchors].reverse().find(([here]) => here < place);
    const after = anchors.find(([here]) => here > place);
    const other = stored.find((group, there) => free.has(group) && group[0].message.role === one.role && (!before || there > before[1]) && (!after || there < after[1]));
    if (other) { out[place] = wholeOrParts(one, other); free.delete(other); }
  });
  return out;
}

// Places of the longest common subsequence; of very long lists, those that stand at the same place.
function common(left, right) {
  const width = right.length + 1;
  if ((left.length + 1) * width > MOST_CELLS) return left.flatMap((text, place) => (text === right[place] ? [[place, place]] : []));
  const table = new Uint32Array((left.length + 1) * width);
  for (let i = left.length - 1; i >= 0; i -= 1) {
    for (let j = right.length - 1; j >= 0; j -= 1) {
      table[i * width + j] = left[i] === right[j] ? table[(i + 1) * width + j + 1] + 1 : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
    }
  }
  const out = [];
  for (let i = 0, j = 0; i < left.length && j < right.length;) {
    if (left[i] === right[j]) out.push([i++, j++]);
    else if (table[(i + 1) * width + j] >= table[i * width + j + 1]) i += 1;
    else j += 1;
  }
  return out;
}
