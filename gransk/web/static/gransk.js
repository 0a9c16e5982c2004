// Keys of the pages: the worklist's rows and a case's outlines.
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
    else if (event.key === 'd' && current() >= 0) rows()[current()].querySelector('.details').click();
    else return;
    if (rows().length) event.preventDefault();
  });

  // A click anywhere in a row opens its images, as its link does.
  document.addEventListener('click', event => {
    if (event.target.closest('[data-outlines]')) toggle();
    const copies = event.target.closest('[data-copy]');
    if (copies) {
      const field = document.getElementById(copies.dataset.copy);
      field.select();
      navigator.clipboard.writeText(field.value);
    }
    const row = event.target.closest('[data-row]');
    if (!row || event.target.closest('a, button, input')) return;
    if (window.getSelection().toString()) return;
    row.querySelector('.open').click();
  });
})();
