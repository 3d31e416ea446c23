/**
 * The colours that the reader chose, or the system has, before there is a page:
 * what is painted first is painted in them. The key is Mantine's.
 */
export function applyScheme(): void {
  let chosen: string | null = null;
  try {
    chosen = window.localStorage.getItem("mantine-color-scheme-value");
  } catch {
    // a browser that keeps nothing for this page
  }
  const dark = chosen === "dark" || (chosen !== "light" && window.matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset["mantineColorScheme"] = dark ? "dark" : "light";
}
