/** How many are mounted in one share. */
export const MOUNTS = 200;
/** How many of the first and of the last are compared. */
export const COMPARED = 20;
/** How many are mounted at once while the event loop is watched. */
export const AT_ONCE = 100;
