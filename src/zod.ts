/** The whole schema library, for plugins that bring none; without one the host loads only its small form, `zod/mini`. */
export { z } from 'zod';
