import type { BindingConditions, Role } from '@sluice/domain/access';
import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';

/** A GitLab project whose CI jobs have a role on a node. */
@Entity({ name: 'ci_binding' })
export class CiBindingEntity {
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  @Column({ name: 'principal_id', type: 'uuid' })
  principalId!: string;

  @Column({ type: 'text' })
  issuer!: string;

  /** A bigint, which comes as text. */
  @Column({ name: 'gitlab_project_id', type: 'bigint' })
  gitlabProjectId!: string;

  @Column({ name: 'gitlab_project_path', type: 'text' })
  gitlabProjectPath!: string;

  @Column({ name: 'node_id', type: 'uuid' })
  nodeId!: string;

  @Column({ type: 'text' })
  role!: Role;

  @Column({ type: 'jsonb' })
  conditions!: BindingConditions;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz' })
  createdAt!: Date;
}
