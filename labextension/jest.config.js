module.exports = {
  roots: ['test'],
  transform: { '\\.ts$': ['ts-jest', { tsconfig: 'tsconfig.jest.json' }] }
};
