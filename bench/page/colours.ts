/** Colours of the report, for light and dark surroundings. */
export const COLOURS = `
:root { --paper: #ffffff; --ink: #1c2733; --soft: #5a6875; --faint: #e3e8ee; --ours: #0b7285; --others: #adb5bd; --bad: #c92a2a; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #12181f; --ink: #e6edf3; --soft: #9aa7b4; --faint: #2b3540; --ours: #3bc9db; --others: #56616d; --bad: #ff8787; }
}`;
