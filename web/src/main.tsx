import { render } from "preact";
import { Frame } from "./frame";
import { follow, route } from "./router";
import { Access, SignIn } from "./screens/access";
import { Actor } from "./screens/actor";
import { Actors } from "./screens/actors";
import { Events } from "./screens/events";
import { Job } from "./screens/job";
import { Jobs } from "./screens/jobs";
import { Overview } from "./screens/overview";
import { Queue, Queues } from "./screens/queue";
import { Run } from "./screens/run";
import * as session from "./session";
import { start, state, tick } from "./store/live";
import "./style.css";
import { T } from "./texts";
import { applyTheme } from "./theme";
import { Empty } from "./ui/basics";
import { Dialogs } from "./ui/dialog";

function Screen() {
  const [place = "", id = ""] = route.value.path;
  if (!state.ready && state.types.size === 0) {
    tick.value;
    return <p class="muted pad" role="status">{T.reading}</p>;
  }
  switch (place) {
    case "": return <Overview />;
    case "queues": return <Queues />;
    case "queue": return <Queue word={id} />;
    case "jobs": return <Jobs />;
    case "job": return <Job key={id} id={id} />;
    case "run": return <Run />;
    case "actors": return <Actors />;
    case "actor": return <Actor key={id} id={id} />;
    case "events": return <Events />;
    case "access": return <Access />;
    default: return <Empty title={T.noPage}><a href="#/">{T.overview}</a></Empty>;
  }
}

function App() {
  const why = session.mustSignIn.value;
  if (why !== undefined) return <SignIn why={why} />;
  return <><Frame><Screen /></Frame><Dialogs /></>;
}

/** Opens the stream; by a code of `hero-supervisor dashboard` if there is one in the address, which is then taken out. */
async function begin(): Promise<void> {
  const [place, code = ""] = route.value.path;
  if (place === "login") {
    history.replaceState(null, "", "#/");
    dispatchEvent(new HashChangeEvent("hashchange"));
    try {
      await session.redeem(code);
    } catch (error) {
      session.ended((error as Error).message);
      return;
    }
  }
  start();
}

applyTheme();
follow();
void begin();
render(<App />, document.getElementById("app")!);
