/**
 * Additions to the builder's configuration: style sheets are bundled as minified text, and the code
 * is minified as far as possible.
 */

const { SwcJsMinimizerRspackPlugin } = require('@rspack/core');

module.exports = {
  module: {
    rules: [
      {
        test: /\.raw\.css$/,
        use: [{ loader: 'builtin:lightningcss-loader', options: { minify: true } }]
      }
    ]
  },
  optimization: {
    minimizer: [
      new SwcJsMinimizerRspackPlugin({
        minimizerOptions: {
          ecma: 2022,
          compress: {
            passes: 4,
            ecma: 2022,
            unsafe_arrows: true,
            unsafe_methods: true
          },
          mangle: true
        }
      })
    ]
  }
};
