// Tables that are wider than the page can be scrolled by keyboard.
document$.subscribe(() => {
  for (const [number, wrap] of document.querySelectorAll(".md-typeset__scrollwrap").entries()) {
    wrap.tabIndex = 0;
    wrap.setAttribute("role", "region");
    wrap.setAttribute("aria-label", `Table ${number + 1}`);
  }
});
