export { type ScannerConfig, scannerPart, scannerProcessSettings, startScanner } from './process.ts';
