import { existsSync } from 'node:fs';
import { defineConfig } from '@playwright/test';

/** The Chromium of the system; none is downloaded. */
const chromium = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => path && existsSync(path));

export default defineConfig({
    testDir: 'tests/browser',
    outputDir: 'test-results',
    globalSetup: './tests/browser/demo.ts',
    workers: 1,
    fullyParallel: false,
    retries: 0,
    timeout: 180_000,
    expect: { timeout: 30_000 },
    reporter: [['list']],
    use: {
        viewport: { width: 1440, height: 900 },
        launchOptions: { executablePath: chromium, args: ['--no-sandbox', '--disable-dev-shm-usage'] },
        colorScheme: 'dark',
    },
    projects: [
        { name: 'tests', testMatch: /.*\.spec\.ts/ },
        { name: 'screenshots', testMatch: /screenshots\.ts/ },
    ],
});
