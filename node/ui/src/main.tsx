import '@fontsource-variable/inter/wght.css';
import '@fontsource-variable/jetbrains-mono/wght.css';
import './style/base.css';
import './style/parts.css';
import { render } from 'preact';
import { App } from './app';
import { theme } from './shell/state';

document.documentElement.dataset.theme = theme.value;
const root = document.getElementById('app');
if (root) {
    root.textContent = '';
    render(<App />, root);
}

// After an upgrade of the node, a page that was open before asks for parts that are no more: it is loaded anew, once.
const RELOADED = 'plimsoll.reloaded';
addEventListener('vite:preloadError', (event) => {
    if (Date.now() - Number(sessionStorage.getItem(RELOADED) ?? 0) < 60_000) return;
    sessionStorage.setItem(RELOADED, String(Date.now()));
    event.preventDefault();
    location.reload();
});
