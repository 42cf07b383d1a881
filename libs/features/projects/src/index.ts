export { Members, type NewMember } from './members.ts';
export { Projects } from './projects.ts';
