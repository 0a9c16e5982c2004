// Keys of the reading pages: letters choose, figures choose within a group and go on, Enter saves.
(() => {
  'use strict';
  const WINDOWS = ['gransk-images', 'gransk-earlier'];
  const form = document.querySelector('[data-reading]');
  const shown = element => element.getClientRects().length > 0;
  const inputs = group => Array.from(group.querySelectorAll('input'));
  const groups = () => Array.from(form.querySelectorAll('[data-group]')).filter(shown);
  const empty = group => !inputs(group).some(input => input.checked);

  // The group that figures speak to: the one in which the focus is, else the first without an answer.
  function current() {
    return document.activeElement.closest?.('[data-group]') ?? groups().find(empty);
  }

  function enter(group) {
    const all = inputs(group);
    (all.find(input => input.checked) ?? all[0]).focus();
  }

  function choose(number) {
    const group = current();
    const input = group && inputs(group)[number - 1];
    if (!input) return false;
    if (group.dataset.group === 'many') {
      input.checked = !input.checked;
      input.focus();
      return true;
    }
    input.checked = true;
    const all = groups();
    const next = all[all.indexOf(group) + 1];
    const same = next && next.closest('[data-finding]') === group.closest('[data-finding]');
    if (next && (same || empty(next)) && !optional(next)) enter(next);
    else form.querySelector('[data-save]').focus();
    return true;
  }

  const bare = finding => inputs(finding).every(input => !input.checked);

  // A further finding that nobody has begun.
  function optional(group) {
    const finding = group.closest('[data-more] [data-finding]');
    return Boolean(finding) && bare(finding);
  }

  // From the views, of which several may be chosen, to the reason.
  function onwards(key) {
    const group = document.activeElement.closest?.('[data-group=many]');
    if (!group || !['ArrowRight', 'ArrowDown'].includes(key)) return false;
    const all = groups();
    enter(all[all.indexOf(group) + 1]);
    return true;
  }

  // The next finding: the first that is empty; each lies within the fold of the one before it.
  function more() {
    const folds = Array.from(form.querySelectorAll('[data-more]'));
    const fold = folds.find(one => bare(one.querySelector('[data-finding]')));
    if (!fold || !shown(folds[0])) return false;
    fold.open = true;
    enter(fold.querySelector('[data-group]'));
    return true;
  }

  function activate(element) {
    if (element.matches('input[type=radio]')) {
      element.checked = true;
      element.focus();
      const next = groups().find(empty);
      if (next && element.value !== 'normal') enter(next);
    } else if (element.matches('input[type=checkbox]')) {
      element.checked = !element.checked;
      element.focus();
    } else if (element.matches('textarea')) {
      element.focus();
    } else {
      element.click();
    }
  }

  document.addEventListener('keydown', event => {
    const writing = event.target.matches('textarea, input[type=text], select');
    if (form && event.key === 'Enter' && (event.ctrlKey || !writing)) {
      if (event.target.matches('a, summary, button')) return;
      event.preventDefault();
      // A second press after the last exam was saved must not send this one.
      const verdict = form.querySelector('input[name=verdict]:checked');
      if (verdict) form.requestSubmit();
      else form.querySelector('input[name=verdict]').focus();
      return;
    }
    if (writing && event.key === 'Escape') event.target.blur();
    if (writing || event.ctrlKey || event.metaKey || event.altKey) return;
    const found = document.querySelectorAll(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
    const element = Array.from(found).find(shown);
    if (element) activate(element);
    else if (!form) return;
    else if (/^[1-9]$/.test(event.key)) { if (!choose(Number(event.key))) return; }
    else if (onwards(event.key)) { /* done */ }
    else if (event.key === '+') { if (!more()) return; }
    else if (event.key === 'o' && event.target.matches('input')) {
      document.querySelector('[data-outlines]')?.click();
    }
    else return;
    event.preventDefault();
  });

  document.addEventListener('click', event => {
    const clears = event.target.closest('[data-clear]');
    if (clears) inputs(clears.closest('[data-finding]')).forEach(input => { input.checked = false; });
    const images = event.target.closest('[data-images]');
    if (images) sessionStorage.setItem(images.target, 'open');
  });

  // One save for one press.
  if (form) {
    form.addEventListener('submit', event => {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = 'yes';
    });
    window.addEventListener('pageshow', () => { delete form.dataset.sent; });
    document.querySelector('[data-errors]')?.focus();
  }

  // Windows of images, once opened, follow from exam to exam: none keeps another woman's images.
  for (const name of form ? WINDOWS.filter(one => sessionStorage.getItem(one)) : []) {
    const link = document.querySelector(`[data-images][target="${name}"]`);
    if (!window.open(link ? link.href : 'about:blank', name)) sessionStorage.removeItem(name);
    else window.focus();
  }
})();
