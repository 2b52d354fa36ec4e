/** The same job by each client: a few lines to begin a program with. */
import { ScriptType } from "hero-supervisor/web";
import { typeWord } from "./format";

export interface Snippet {
  language: string;
  text: string;
}

/** A text as a string of most languages; Rust spells escapes of its own. */
const quoted = (text: string): string => JSON.stringify(text);
const rust = (text: string): string => quoted(text).replace(/\\u([0-9a-f]{4})/g, "\\u{$1}").replace(/\\([bf])/g, (_, c: string) => (c === "b" ? "\\u{8}" : "\\u{c}"));

/** The lines for a script and its input, JSON or nothing. `address` is that of the server. */
export function snippets(address: string, type: ScriptType, script: string, input = ""): Snippet[] {
  const word = typeWord(type);
  const upper = word.toUpperCase();
  const camel = upper.length <= 1 ? upper : upper[0] + word.slice(1);
  const given = (text: string): string => (input === "" ? "" : text);
  return [
    { language: "Python", text: `${given("import json\n\n")}from hero.supervisor.client import ${upper}, connect, result\n\nwith connect(${quoted(address)}) as client:\n    print(result(client.run(${upper}, ${quoted(script)}${given(`, input=json.loads(${quoted(input)})`)}, timeout=60)))\n` },
    { language: "TypeScript", text: `import { ScriptType, connect } from "hero-supervisor";\n\nconst client = connect(${quoted(address)});\nconst job = await client.submit(ScriptType.${upper}, ${quoted(script)}${given(`, { input: ${input} }`)});\nconsole.log(await job.result({ timeoutMs: 60_000 }));\n` },
    { language: "Go", text: `client, err := supervisor.Connect(${quoted(address)})\nif err != nil {\n\treturn err\n}\ndefer client.Close()\njob, err := client.Run(ctx, supervisor.${upper}, ${quoted(script)}${given(`, supervisor.WithInput(json.RawMessage(${quoted(input)}))`)})\n` },
    { language: "Java", text: `try (SupervisorClient client = SupervisorClient.connect(${quoted(address)})) {\n    var job = client.run(ScriptType.SCRIPT_TYPE_${upper}, ${quoted(script)}, Duration.ofMinutes(1)${given(`, request -> request.getJobBuilder().setInput(${quoted(input)})`)});\n    System.out.println(SupervisorClient.result(job));\n}\n` },
    { language: "Rust", text: `let client = Client::connect(${quoted(address)})?;\nlet job = client.submit(Run::new(ScriptType::${camel}, ${rust(script)})${given(`.input(${rust(input)})`)}).await?;\nprintln!("{}", job.result(Some(Duration::from_secs(60))).await?);\n` },
  ];
}
