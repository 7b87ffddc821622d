// Parts of a page that are marked data-live are fetched again every few seconds, and replaced where they
// changed. Without this file pages work the same, as they were when they were loaded.
const EVERY = 3000; // milliseconds

async function refresh() {
  if (document.hidden) return;
  const answer = await fetch(location.href, { redirect: "error" });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    // What somebody is using stays as it is.
    if (!next || next.innerHTML === part.innerHTML || part.contains(document.activeElement)) continue;
    part.replaceWith(document.adoptNode(next));
  }
}

async function keepFresh() {
  try {
    await refresh();
    document.documentElement.removeAttribute("data-stale");
  } catch {
    document.documentElement.setAttribute("data-stale", ""); // the style says that nobody answers
  }
  setTimeout(keepFresh, EVERY);
}

if (document.querySelector("[data-live]")) setTimeout(keepFresh, EVERY);
