/** The calls about models and the machine. */
import { call } from "./http";
import type { Machine, Model } from "./types";

export async function listModels(): Promise<Model[]> {
  const answer = await call<{ data: Model[] }>("GET", "/v1/models");
  return answer.data;
}

/** `advice`: ask the doctor too, which takes some seconds. */
export function getMachine(advice: boolean): Promise<Machine> {
  return call("GET", `/v1/machine${advice ? "?advice=true" : ""}`);
}
