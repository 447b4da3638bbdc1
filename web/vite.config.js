import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

export default defineConfig({
    plugins: [svelte()],
    build: {
        target: 'es2022',
        // Everything is served by earshot itself under a strict content security policy: nothing inline.
        assetsInlineLimit: 0,
        modulePreload: { polyfill: false },
    },
});
