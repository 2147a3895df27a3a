// Login: a token, kept for this tab.

import { useState } from 'preact/hooks';
import { loginReason, setToken, token } from '../api/client';
import { reloads } from './state';
import { Mark } from './icons';

export function Login() {
    const [text, setText] = useState('');
    const enter = (e: Event) => {
        e.preventDefault();
        if (text.trim() === '') return;
        setToken(text.trim());
        reloads.value++;
    };
    return (
        <div class="dialog-back" style={{ background: 'var(--bg)' }}>
            <form class="dialog" style={{ width: 'min(400px, 100%)' }} onSubmit={enter} aria-label="Log in">
                <div class="body">
                    <div class="brand" style={{ padding: 0 }}><Mark />Plimsoll</div>
                    <p class="soft">{loginReason.value}</p>
                    <label class="field">Token<input type="password" autocomplete="off" ref={(el) => el?.focus()} value={text} onInput={(e) => setText(e.currentTarget.value)} /></label>
                    <button class="btn primary" type="submit" style={{ alignSelf: 'flex-start' }}>Log in</button>
                    <p class="faint">It is kept in this tab and nowhere else. An administrator makes one with</p>
                    <pre style={{ margin: 0 }}>plimsoll token create NAME --role read</pre>
                </div>
            </form>
        </div>
    );
}

export function LogOut() {
    if (!token.value) return null;
    return <button type="button" class="link" style={{ textAlign: 'left' }} onClick={() => { setToken(''); reloads.value++; }}>Log out</button>;
}
