/**
 * What the builder does beyond its own: style sheets come as text, without blanks and comments,
 * and the code is made as small as it gets.
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
