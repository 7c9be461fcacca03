import { version } from '../../package.json';
import { VERSION } from '../../src/app/version';

test('the version sent to the kernel is that of the package', () => {
  expect(VERSION).toBe(version);
});
