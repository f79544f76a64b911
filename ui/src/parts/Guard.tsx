import { Component, type ReactNode } from "react";
import { Notice } from "./basics";

/** Keeps an error of ours from taking Airflow's page around it away. */
export class Guard extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override render() {
    if (!this.state.error) return this.props.children;
    return (
      <Notice kind="error" action={{ text: "Try again", run: () => this.setState({ error: null }) }}>
        This page has met something it cannot show: {this.state.error.message}
      </Notice>
    );
  }
}
