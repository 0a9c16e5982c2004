// A file that is taken in is read into the text of its form, where it is seen before it is sent.
(() => {
  'use strict';
  for (const input of document.querySelectorAll('input[type=file][data-into]')) {
    input.addEventListener('change', async () => {
      const file = input.files[0];
      if (file) document.getElementById(input.dataset.into).value = await file.text();
      input.value = '';
    });
  }
})();
