/** The builder turns a style sheet with this suffix into a string (see `builder.config.js`). */
declare module '*.raw.css' {
  const text: string;
  export default text;
}
