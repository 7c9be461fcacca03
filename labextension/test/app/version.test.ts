import { version } from '../../package.json';
import { VERSION } from '../../src/app/version';

test('what is told to the kernel is the version of the package', () => {
  expect(VERSION).toBe(version);
});
