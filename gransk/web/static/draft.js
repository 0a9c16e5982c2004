// What is typed and not saved outlives the session in this tab, encrypted under a key that only the
// page of the same person and opening holds. Whatever else is found there is wiped.
(() => {
  'use strict';
  const SLOT = 'gransk-draft';
  const OWN = new Set(['csrf', 'images', 'stale', 'seen_new']);
  const IV = 12;
  document.addEventListener('submit', event => {
    if (event.target.matches('[action$="/sign-out"], [action$="/sign-out-everywhere"]')) sessionStorage.removeItem(SLOT);
  });
  const form = document.querySelector('[data-draft]');
  // Browsers encrypt over https and on the machine itself alone.
  if (!form || !window.isSecureContext) return;
  const digits = form.dataset.draft.match(/../g).map(pair => parseInt(pair, 16));
  const key = crypto.subtle.importKey('raw', Uint8Array.from(digits), 'AES-GCM', false, ['encrypt', 'decrypt']);
  const typed = () => JSON.stringify(Array.from(new FormData(form)).filter(([name]) => !OWN.has(name)));
  let kept = typed();
  let turn = 0;

  async function keep() {
    const said = typed();
    if (said === kept) return;
    kept = said;
    const mine = ++turn;
    const iv = crypto.getRandomValues(new Uint8Array(IV));
    const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, await key, new TextEncoder().encode(said));
    if (mine !== turn) return;
    sessionStorage.setItem(SLOT, btoa(String.fromCharCode(...iv, ...new Uint8Array(sealed))));
  }

  async function opened(text) {
    try {
      const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
      const plain = await crypto.subtle.decrypt({ name: 'AES-GCM', iv: bytes.slice(0, IV) }, await key, bytes.slice(IV));
      return JSON.parse(new TextDecoder().decode(plain));
    } catch {
      return null;  // of another person, exam or opening
    }
  }

  function fill(said) {
    for (const field of form.elements) {
      if (!field.name || OWN.has(field.name)) continue;
      const values = said.filter(([name]) => name === field.name).map(([, value]) => value);
      if (['radio', 'checkbox'].includes(field.type)) field.checked = values.includes(field.value);
      else field.value = values[0] ?? '';
    }
    for (const fold of form.querySelectorAll('[data-more]')) fold.open = Boolean(fold.querySelector('input:checked'));
    form.dispatchEvent(new Event('change'));
  }

  async function restore() {
    const text = sessionStorage.getItem(SLOT);
    const first = kept;
    const said = text && await opened(text);
    if (text && !said && sessionStorage.getItem(SLOT) === text) sessionStorage.removeItem(SLOT);
    // What the server showed again, or was typed meanwhile, is newer.
    if (!said || document.querySelector('[data-errors]') || typed() !== first || JSON.stringify(said) === first) return;
    fill(said);
    kept = typed();
    document.querySelector('[data-draft-note]').hidden = false;
  }

  for (const kind of ['input', 'change', 'click', 'keyup']) document.addEventListener(kind, keep);
  restore();
})();
