/** Light, dark, or as the system has it. */
import { signal } from "@preact/signals";
import { themeCount } from "./ui/charts";

export type Theme = "system" | "light" | "dark";
const KEY = "hero-supervisor.theme";
const ORDER: Theme[] = ["system", "light", "dark"];

const kept = localStorage.getItem(KEY);
export const theme = signal<Theme>(kept === "light" || kept === "dark" ? kept : "system");

export function applyTheme(): void {
  if (theme.value === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme.value;
  themeCount.value += 1;
}

export function nextTheme(): void {
  theme.value = ORDER[(ORDER.indexOf(theme.value) + 1) % ORDER.length]!;
  localStorage.setItem(KEY, theme.value);
  applyTheme();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", applyTheme);
