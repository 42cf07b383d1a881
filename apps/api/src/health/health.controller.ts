import { Controller, Get } from '@nestjs/common';
import { Permission } from '../access/permission.ts';
import { type HealthReport, HealthReporter } from './health-reporter.ts';

/** The state of the installation in detail. Load balancers ask `/readyz`. */
@Controller('health')
export class HealthController {
  constructor(private readonly reporter: HealthReporter) {}

  @Get()
  @Permission('admin.settings')
  get(): Promise<HealthReport> {
    return this.reporter.report();
  }
}
