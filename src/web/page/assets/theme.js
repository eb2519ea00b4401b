// Dark or light: as the system has it, until somebody says otherwise.

const KEY = "taraflow-theme";

/** @param {() => void} changed */
export function themes(changed) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const chosen = remembered();
  if (chosen) root.dataset.theme = chosen;
  system.addEventListener("change", changed);

  function toggle() {
    const dark = (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
    root.dataset.theme = dark ? "light" : "dark";
    remember(root.dataset.theme);
    changed();
  }

  return { toggle };
}

// A page from a file may have no place to remember anything.
function remembered() {
  try {
    const value = localStorage.getItem(KEY);
    return value === "dark" || value === "light" ? value : null;
  } catch {
    return null;
  }
}

function remember(value) {
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // Then it holds until the page is closed.
  }
}
