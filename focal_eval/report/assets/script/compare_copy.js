// A conversation taken along: as text, as a script that asks for what the candidate did, as requests for a terminal.

function asText(item, conversation) {
  const lines = [item.title, item.name, ""];
  for (const [which, title] of [["before", "BASELINE"], ["after", "CANDIDATE"]]) {
    const side = conversation[which];
    if (!side) continue;
    lines.push(`${title} (${index.words[side.verdict] || side.verdict})`);
    for (const turn of side.turns) {
      if (turn.user !== null && turn.user !== undefined) lines.push(`user: ${turn.user}`);
      if (turn.fault) lines.push(`[the engine broke: ${turn.fault.message}]`);
      else if (turn.skipped !== undefined) lines.push(`[${turn.skipped}]`);
      else if (turn.reply && turn.reply.response !== undefined) lines.push(`agent: ${turn.reply.response}`);
    }
    lines.push("");
  }
  return lines.map(visible).join("\n");
}

// JSON's quoted texts are YAML's too; control characters stay escaped.
function yamlText(text) {
  const plain = /^[A-Za-z][\w ,'-]*[\w.!?]$/.test(text) && !/^(?:yes|no|true|false|null|on|off|y|n)$/i.test(text);
  return plain ? text : JSON.stringify(text).replace(/[\u007f-\u009f\u2028\u2029\ufeff]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function asScript(item, side) {
  const lines = [`title: ${yamlText(item.title)}`];
  if (item.tags.length) lines.push(`tags: [${item.tags.map(yamlText).join(", ")}]`);
  lines.push("turns:");
  for (const turn of side.turns) {
    lines.push(`  - user: ${turn.user === null || turn.user === undefined ? "null" : yamlText(turn.user)}`);
    if (turn.name) lines.push(`    name: ${yamlText(turn.name)}`);
    const expect = expectedLines(turn.reply || NO_REPLY);
    if (expect.length) lines.push("    expect:", ...expect.map((line) => `      ${line}`));
  }
  return `${lines.join("\n")}\n`;
}

function expectedLines(reply) {
  const out = [];
  if (reply.rules) out.push(`rules: {exactly: [${reply.rules.map((rule) => yamlText(rule.name)).join(", ")}]}`);
  if (reply.tools && reply.tools.length) out.push(`tools: [${reply.tools.map((call) => yamlText(call.name)).join(", ")}]`);
  if (reply.scenario && reply.scenario.step) out.push(`scenario: ${yamlText(`${reply.scenario.id}/${reply.scenario.step}`)}`);
  return out;
}

const SERVED = new Set(["focal", "embedded"]); // both speak the contract of `focal-eval serve`

function shellQuoted(text) {
  return `'${text.replace(/'/g, "'\\''")}'`;
}

function asCurl(item, side) {
  const user = `replay-${item.name.replace(/[^\w-]+/g, "-").slice(0, 60)}`;
  const begin = ["url=${FOCAL_URL:-http://127.0.0.1:8787}", "who=\"" + user + "-$(date +%s)\"", ""];
  const turns = side.turns.filter((turn) => turn.user !== null && turn.user !== undefined).map((turn) => {
    const body = JSON.stringify({ tenant_id: "00000000-0000-4000-8000-000000000001", agent_id: "00000000-0000-4000-8000-000000000002", channel: "webchat", user_channel_id: "WHO", message: turn.user });
    const [head, tail] = body.split('"WHO"');
    return `curl -sS "$url/v1/chat" -H 'content-type: application/json' -H "authorization: Bearer \${FOCAL_TOKEN:-}" \\\n  -d ${shellQuoted(`${head}"`)}"$who"${shellQuoted(`"${tail}`)}`;
  });
  return `${[...begin, turns.join("\n\n")].join("\n")}\n`;
}

function copyMenu(item, conversation) {
  const side = conversation.after || conversation.before;
  const ways = [["text", () => asText(item, conversation), "both sides, as text"], ["script", () => asScript(item, side), "a script that asks for what the candidate did"]];
  if (SERVED.has(index.engine)) ways.push(["curl", () => asCurl(item, side), "the candidate's turns as requests"]);
  return h("div", { class: "copy-ways", role: "group", "aria-label": "Copy the conversation" }, h("span", { class: "muted" }, "Copy as"),
    ways.map(([name, make, hint]) => {
      const button = h("button", { type: "button", class: "button small", title: hint }, name);
      button.addEventListener("click", () => copy(make(), button));
      return button;
    }));
}
