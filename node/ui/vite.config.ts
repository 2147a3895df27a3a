import preact from '@preact/preset-vite';
import { defineConfig } from 'vite';

// `npm run dev` shows the sources as they are edited, with the data of a node that runs.
const node = process.env.PLIMSOLL_URL ?? 'http://127.0.0.1:7777';

export default defineConfig({
    plugins: [preact()],
    worker: { format: 'es' },
    build: {
        target: 'es2022',
        // the page's Content-Security-Policy has no `data:` for scripts, styles and fonts
        assetsInlineLimit: 0,
        modulePreload: { polyfill: false },
        chunkSizeWarningLimit: 700,
    },
    server: { proxy: { '/api': node, '/-': node } },
    preview: { proxy: { '/api': node, '/-': node } },
    test: { include: ['tests/unit/**/*.test.ts'] },
} as Parameters<typeof defineConfig>[0]);
