/** The models that this server has. */
import { signal } from "@preact/signals";
import { listModels } from "../api/house";
import type { Model } from "../api/types";

export const models = signal<Model[] | null>(null);

export async function loadModels(): Promise<void> {
  models.value = await listModels();
}

export function model(id: string): Model | null {
  return models.value?.find((one) => one.id === id) ?? null;
}
