// A reader points at a place of a small picture: by a click, or by a cross that arrows move.
(() => {
  'use strict';
  const form = document.querySelector('[data-places]');
  if (!form) return;
  const STEP = 0.02;
  const FINE = 0.004;
  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const panel = form.querySelector('[data-panel]');
  const findings = Array.from(form.querySelectorAll('[data-finding]')).filter(one => one.querySelector('[data-place]'));
  const value = finding => finding.querySelector('[data-place]');
  const pictures = () => Array.from(panel.querySelectorAll('[data-sop]'));
  const shown = element => element.getClientRects().length > 0;
  const crosses = new WeakMap();
  let here = null;
  let fetching = false;

  function tell() {
    for (const finding of findings) {
      const [side, view] = value(finding).value.split(' ');
      const set = Boolean(value(finding).value);
      const name = [side, view].filter(part => part && part !== '-').join(' ');
      finding.querySelector('[data-place-told]').textContent = set ? `${panel.dataset.marked} ${name}` : '';
      finding.querySelector('[data-place-remove]').hidden = !set;
    }
  }

  // In pixels of the image.
  const at = picture => crosses.get(picture) ?? [picture.dataset.columns / 2, picture.dataset.rows / 2];

  function move(picture, x, y) {
    const columns = Number(picture.dataset.columns);
    const rows = Number(picture.dataset.rows);
    const place = [Math.min(Math.max(x, 0), columns), Math.min(Math.max(y, 0), rows)];
    crosses.set(picture, place);
    const arm = Math.max(columns, rows) / 25;
    const [a, b] = place.map(v => v.toFixed(1));
    picture.querySelector('[data-cross]').setAttribute('d', `M${a - arm} ${b}H${Number(a) + arm}M${a} ${b - arm}V${Number(b) + arm}`);
    const words = panel.querySelector('[data-said]').dataset.said;
    panel.querySelector('[data-place-at]').textContent = words
      .replace('{x}', Math.round(100 * place[0] / columns)).replace('{y}', Math.round(100 * place[1] / rows));
  }

  function choose(finding, name, wanted) {
    for (const input of finding.querySelectorAll(`input[name^="${name}-"]`)) if (input.value === wanted) input.checked = true;
  }

  function mark(picture) {
    const { side, view, sop, radius } = picture.dataset;
    value(here).value = [side || '-', view || '-', sop, ...at(picture).map(v => v.toFixed(1)), radius].join(' ');
    if (side) choose(here, 'side', side);
    if (view) choose(here, 'view', view);
    const finding = here;
    close();
    const open = Array.from(finding.querySelectorAll('[data-group]')).find(group => !group.querySelector('input:checked'));
    (open?.querySelector('input') ?? form.querySelector('[data-save]')).focus();
    form.dispatchEvent(new Event('change', { bubbles: true }));
  }

  function close() {
    here?.querySelector('[data-point-at]').setAttribute('aria-expanded', 'false');
    panel.hidden = true;
    here = null;
  }

  async function load() {
    if (pictures().length || fetching) return;
    fetching = true;
    try {
      const answer = await fetch(form.dataset.places);
      if (!answer.ok || answer.redirected) throw new Error(answer.statusText);
      panel.innerHTML = await answer.text();
    } catch {
      panel.textContent = panel.dataset.failed;
    }
    fetching = false;
  }

  async function open(finding) {
    close();
    here = finding;
    finding.querySelector('[data-point-at]').setAttribute('aria-expanded', 'true');
    finding.append(panel);
    panel.hidden = false;
    await load();
    if (here !== finding) return;
    const [, , sop, x, y] = value(finding).value.split(' ');
    const chosen = name => finding.querySelector(`input[name^="${name}-"]:checked`)?.value;
    const all = pictures();
    const fits = one => one.dataset.side === chosen('side') && (one.dataset.view === chosen('view') || chosen('view') === 'both');
    const first = all.find(one => one.dataset.sop === sop) ?? all.find(fits) ?? all[0];
    for (const one of all) {
      crosses.delete(one);
      one.querySelector('[data-cross]').setAttribute('d', '');
    }
    if (first && sop === first.dataset.sop) move(first, Number(x), Number(y));
    first?.focus();
  }

  function remove(finding) {
    value(finding).value = '';
    form.dispatchEvent(new Event('change', { bubbles: true }));
  }

  form.addEventListener('change', tell);
  form.addEventListener('click', event => {
    const finding = event.target.closest('[data-finding]');
    if (event.target.closest('[data-point-at]')) {
      if (here === finding) close();
      else open(finding);
    } else if (event.target.closest('[data-place-remove], [data-clear]')) {
      remove(finding);
      if (event.target.closest('[data-place-remove]')) finding.querySelector('[data-point-at]').focus();
    } else {
      const picture = event.target.closest('[data-sop]');
      if (!picture) return;
      const box = picture.querySelector('img').getBoundingClientRect();
      // Enter and the space bar click without a place of their own.
      if (event.detail) move(picture, (event.clientX - box.x) / box.width * picture.dataset.columns, (event.clientY - box.y) / box.height * picture.dataset.rows);
      mark(picture);
    }
  });

  // Before the keys of the form.
  document.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const picture = event.target.closest?.('[data-sop]');
    if (picture && MOVES[event.key]) {
      const step = Math.max(picture.dataset.columns, picture.dataset.rows) * (event.shiftKey ? FINE : STEP);
      move(picture, ...at(picture).map((v, axis) => v + step * MOVES[event.key][axis]));
    } else if (here && event.key === 'Escape') {
      const button = here.querySelector('[data-point-at]');
      close();
      button.focus();
    } else if (here && fetching && event.key.length === 1) {
      // Meant for the pictures that are on their way.
    } else if (picture && /^[1-9]$/.test(event.key)) {
      pictures()[event.key - 1]?.focus();
    } else if (event.key.toLowerCase() === panel.dataset.letter && !event.target.matches('textarea, select, input[type=text]')) {
      const near = document.activeElement.closest?.('[data-finding]');
      const open_ = findings.filter(shown);
      const finding = open_.includes(near) ? near : open_.findLast(one => one.querySelector('input:checked')) ?? open_[0];
      if (!finding) return;
      open(finding);
    } else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
  tell();
})();
