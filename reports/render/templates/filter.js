(() => {
  const form = document.getElementById("filter");
  const articles = [...document.querySelectorAll("article")];
  const lines = new Map([...document.querySelectorAll("tr[data-of]")].map((line) => [line.dataset.of, line]));
  const apply = () => {
    const { verdict, kind, setting, paper } = Object.fromEntries(new FormData(form));
    const text = form.elements.text.value.trim().toLowerCase();
    let shown = 0;
    for (const article of articles) {
      const keep = (!verdict || article.dataset.verdict === verdict) && (!kind || article.dataset.kind === kind) &&
        (!setting || article.dataset.setting === setting) &&
        (!paper || JSON.parse(article.dataset.papers).includes(paper)) &&
        (!text || article.textContent.toLowerCase().includes(text));
      article.hidden = !keep;
      lines.get(article.id).hidden = !keep;
      shown += keep;
    }
    for (const room of document.querySelectorAll(".room")) room.hidden = !room.querySelector("article:not([hidden])");
    form.querySelector("output").textContent = `${shown} of ${articles.length} shown`;
  };
  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  apply();
})();
