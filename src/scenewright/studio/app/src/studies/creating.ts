/** Sending a new study, and what the server objects to, by field. */
import { useState } from "preact/hooks";
import { ApiError } from "../api/http";
import { createStudy, type NewStudy } from "../api/studies";
import { t } from "../i18n";
import { go } from "../router";
import { announce } from "../state/saying";
import { take } from "./listing";

export interface Objection {
  param: string;
  text: string;
}

/** `shown`: the fields of the form; what is about none of them is given as `rest`. */
export function useCreating(shown: string[]) {
  const [busy, setBusy] = useState(false);
  const [objection, setObjection] = useState<Objection | null>(null);
  const concerns = (param: string) =>
    objection !== null && (objection.param === param || [".", "["].some((next) => objection.param.startsWith(param + next)));
  const object = (param: string, text: string) => setObjection({ param, text });
  const create = async (study: NewStudy) => {
    setBusy(true);
    setObjection(null);
    try {
      const made = take(await createStudy(study));
      announce(t("study.made", { name: made.name }));
      go("studies", [made.id]);
    } catch (error) {
      if (error instanceof ApiError) object(error.param ?? "", error.message);
      else object("", String(error));
    } finally {
      setBusy(false);
    }
  };
  return {
    busy,
    create,
    object,
    error: (param: string): string | null => (concerns(param) ? objection!.text : null),
    rest: objection && !shown.some(concerns) ? objection.text : null,
  };
}
