import type { NodeKind, Visibility } from '@sluice/domain/access';
import type { BlobDownloads, MissingBlobs } from '../../ports/node-store.ts';
import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';

/** A group or project. */
@Entity({ name: 'node' })
export class NodeEntity {
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  @Column({ type: 'text' })
  kind!: NodeKind;

  @Column({ name: 'parent_id', type: 'uuid', nullable: true })
  parentId!: string | null;

  @Column({ type: 'text' })
  path!: string;

  /** From the root down to the node itself. */
  @Column({ type: 'uuid', array: true })
  lineage!: string[];

  @Column({ type: 'text' })
  visibility!: Visibility;

  @Column({ name: 'missing_blobs', type: 'text', default: 'refuse' })
  missingBlobs!: MissingBlobs;

  @Column({ name: 'blob_downloads', type: 'text', default: 'proxy' })
  blobDownloads!: BlobDownloads;

  /** Null: as the node above says. */
  @Column({ name: 'key_domain', type: 'text', nullable: true })
  keyDomain!: string | null;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz' })
  createdAt!: Date;
}
