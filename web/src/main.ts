import { mount } from 'svelte';

import { loadProgram } from './api';
import App from './App.svelte';
import ClientApp from './ClientApp.svelte';
import './style.css';

// Both daemons carry the same page. What cannot be asked is shown as the server's, which explains
// itself.
loadProgram()
    .catch(() => 'server')
    .then((program) => mount(program === 'client' ? ClientApp : App, { target: document.getElementById('app')! }));
