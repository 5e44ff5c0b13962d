/** A printed page has everything open. */
function openForPrint() {
  const closed = [];
  print.addEventListener("change", () => {
    if (print.matches) closed.push(...document.querySelectorAll("details:not([open])"));
    for (const details of closed) details.open = print.matches;
    if (!print.matches) closed.length = 0;
  });
}

head();
claims();
legend();
distribution();
phases();
timeline();
worldMap();
tables();
recreate();
openForPrint();
