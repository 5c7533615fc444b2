// The desk works without this: it only loads a page again while something is being made.
const wait = document.querySelector('[data-reload]');
if (wait) setTimeout(() => location.replace(location.href.split('?')[0]), 1000 * Number(wait.dataset.reload));
