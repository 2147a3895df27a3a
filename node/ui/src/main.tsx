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
