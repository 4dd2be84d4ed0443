/** The studio begins here. */
import { render } from "preact";
import { connect } from "./api/events";
import { session } from "./api/http";
import { App } from "./app";
import { loginNeeded, whoAmI } from "./login/page";
import { announceProgress } from "./state/announcing";
import { loadModels } from "./state/models";
import { complain } from "./state/saying";
import { listen } from "./state/shortcuts";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/shell.css";
import "./styles/make.css";
import "./styles/library.css";
import "./styles/compare.css";
import "./styles/machine.css";

session.onUnknown = () => {
  loginNeeded.value = true;
};
listen();
announceProgress();
render(<App />, document.getElementById("app")!);
await whoAmI();
if (!loginNeeded.value) {
  connect();
  loadModels().catch(complain);
}
