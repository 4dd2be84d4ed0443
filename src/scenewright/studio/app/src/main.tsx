/** The studio begins here. */
import { effect } from "@preact/signals";
import { render } from "preact";
import { connect, disconnect, link } from "./api/events";
import { session } from "./api/http";
import { App } from "./app";
import { loginNeeded, whoAmI } from "./login/page";
import { announceProgress } from "./state/announcing";
import { loadModels, models } from "./state/models";
import { listen } from "./state/shortcuts";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/shell.css";
import "./styles/make.css";
import "./styles/library.css";
import "./styles/compare.css";
import "./styles/studies.css";
import "./styles/machine.css";

session.onUnknown = () => {
  loginNeeded.value = true;
  disconnect();
};
listen();
announceProgress();
render(<App />, document.getElementById("app")!);
await whoAmI();
if (!loginNeeded.value) connect();
// Models are asked for again where the server was not there at first.
effect(() => {
  if (link.value !== "offline" && !loginNeeded.value && models.peek() === null) loadModels().catch(() => undefined);
});
