// Keys of the pages: the worklist's rows, a case's outlines, an image's neighbours.
(() => {
  'use strict';
  const rows = () => Array.from(document.querySelectorAll('[data-row]'));
  const current = () => rows().findIndex(row => row.contains(document.activeElement));

  function move(step) {
    const all = rows();
    if (!all.length) return;
    const here = current();
    const next = here < 0 ? (step > 0 ? 0 : all.length - 1) : here + step;
    const row = all[Math.min(Math.max(next, 0), all.length - 1)];
    row.querySelector('.open').focus();
    row.scrollIntoView({ block: 'nearest' });
  }

  // The outlines on a case's pictures.
  const outlines = () => document.querySelector('[data-outlines]');

  function toggle() {
    const bare = document.body.classList.toggle('bare');
    document.querySelectorAll('[data-outlines]').forEach(b => b.setAttribute('aria-pressed', String(!bare)));
  }

  // The image on which a person points: keys go to its neighbours, a click marks a place.
  const NEIGHBOURS = { ArrowLeft: '[data-previous]', PageUp: '[data-previous]', ArrowRight: '[data-next]', PageDown: '[data-next]' };

  function step(key) {
    const link = NEIGHBOURS[key] && document.querySelector(NEIGHBOURS[key]);
    if (link) link.click();
    return Boolean(link);
  }

  function point(image, event) {
    const scale = Number(image.dataset.scale);
    const place = [event.offsetX / scale, event.offsetY / scale].map(v => v.toFixed(2));
    document.querySelector('[data-column]').value = place[0];
    document.querySelector('[data-row-of-image]').value = place[1];
    const mark = document.querySelector('[data-mark]');
    mark.setAttribute('cx', place[0]);
    mark.setAttribute('cy', place[1]);
  }

  document.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches('input, select, textarea')) {
      if (event.target.id === 'search' && event.key === 'ArrowDown') {
        event.preventDefault();
        move(1);
      }
      return;
    }
    if (event.key === 'j' || event.key === 'ArrowDown') move(1);
    else if (event.key === 'k' || event.key === 'ArrowUp') move(-1);
    else if (event.key === '/' && document.getElementById('search')) document.getElementById('search').focus();
    else if (event.key === 'o' && outlines()) toggle();
    else if (step(event.key)) event.preventDefault();
    else if (event.key === 'd' && current() >= 0) rows()[current()].querySelector('.details').click();
    else return;
    if (rows().length) event.preventDefault();
  });

  // What a page asks for by itself is no sign of life of its reader.
  document.addEventListener('htmx:configRequest', event => {
    if (!event.detail.triggeringEvent) event.detail.headers['X-Gransk-Renewing'] = 'true';
  });

  // A click anywhere in a row opens its images, as its link does.
  document.addEventListener('click', event => {
    if (event.target.closest('[data-outlines]')) toggle();
    const copies = event.target.closest('[data-copy]');
    if (copies) {
      const field = document.getElementById(copies.dataset.copy);
      field.select();
      navigator.clipboard.writeText(field.value);
      return;
    }
    const image = event.target.closest('[data-point]');
    if (image) {
      event.preventDefault();
      if (event.detail) point(image, event);
      return;
    }
    const row = event.target.closest('[data-row]');
    if (!row || event.target.closest('a, button, input')) return;
    if (window.getSelection().toString()) return;
    row.querySelector('.open').click();
  });
})();
