/** The builder gives a style sheet with this ending as its text (see `builder.config.js`). */
declare module '*.raw.css' {
  const text: string;
  export default text;
}
