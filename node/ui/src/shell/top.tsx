import type { ComponentChildren } from 'preact';

/** The bar over a page: its name, and what can be done with it. */
export function Top({ title, sub, children }: { title: ComponentChildren; sub?: ComponentChildren; children?: ComponentChildren }) {
    return (
        <header class="top">
            <h1 class="clip">{title}</h1>
            {sub && <span class="sub clip wide">{sub}</span>}
            <span class="grow" />
            {children}
        </header>
    );
}
